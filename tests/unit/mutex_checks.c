/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ends a test that lets go of a lock which nobody holds, or waits for one that its own thread
 * holds: one thread shows what would otherwise take two at the right moment, or hang. In the place
 * of the C library's functions; the thread sanitizer has its own.
 */
#ifndef __SANITIZE_THREAD__

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

typedef int mutex_function(pthread_mutex_t *mutex);

static mutex_function *real(const char *name)
{
	void *symbol = dlsym(RTLD_NEXT, name);

	if (symbol == NULL)
		abort();
	return (mutex_function *)symbol;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static mutex_function *lock;

	if (lock == NULL)
		lock = real("pthread_mutex_lock");
	if (mutex->__data.__kind == PTHREAD_MUTEX_NORMAL && mutex->__data.__owner == gettid())
		abort();
	return lock(mutex);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	static mutex_function *unlock;

	if (unlock == NULL)
		unlock = real("pthread_mutex_unlock");
	if (mutex->__data.__kind == PTHREAD_MUTEX_NORMAL && mutex->__data.__owner == 0)
		abort();
	return unlock(mutex);
}

#endif
