/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/virtio/block_pool.h"

#include "devices/virtio/block_request.h"
#include "vmm/base/eventfd.h"
#include "vmm/base/log.h"
#include "vmm/base/util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* A request's way through block_io.c takes some 4 KiB of it; 128 KiB is the least on arm64. */
#define STACK_SIZE (256u * 1024)

/* Waits for a request; NULL at the end. With the lock held. */
static struct block_request *take(struct block_pool *pool)
{
	struct block_request *request;

	while (pool->waiting == NULL && !pool->quit)
		pthread_cond_wait(&pool->work, &pool->lock);
	request = pool->waiting;
	if (request == NULL)
		return NULL;
	pool->waiting = request->next;
	if (pool->waiting == NULL)
		pool->waiting_end = &pool->waiting;
	return request;
}

/* With the lock held. True when the loop has to be told. */
static bool put(struct block_pool *pool, struct block_request *request)
{
	bool first = pool->done == NULL;

	request->next = pool->done;
	pool->done = request;
	pool->unfinished--;
	pthread_cond_signal(&pool->settled);
	return first;
}

static void *work(void *argument)
{
	struct block_pool *pool = argument;
	struct block_request *request;
	void *bounce;
	int error;

	/* In turn, under the lock: what builds a filter need not know of threads. */
	pthread_mutex_lock(&pool->lock);
	error = pool->enter != NULL ? pool->enter() : 0;
	bounce = pool->bounce[pool->entered];
	pool->entered++;
	if (error != 0)
		pool->enter_error = error;
	pthread_cond_signal(&pool->settled);
	while (error == 0 && (request = take(pool)) != NULL) {
		bool tell;

		pthread_mutex_unlock(&pool->lock);
		block_io(pool->file, request, bounce);
		pthread_mutex_lock(&pool->lock);
		tell = put(pool, request);
		if (tell) {
			pthread_mutex_unlock(&pool->lock);
			event_signal(pool->done_fd);
			pthread_mutex_lock(&pool->lock);
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

static int start_threads(struct block_pool *pool)
{
	pthread_attr_t attributes;
	int error = -pthread_attr_init(&attributes);

	if (error != 0)
		return error;
	error = -pthread_attr_setstacksize(&attributes, STACK_SIZE);
	while (error == 0 && pool->thread_count < BLOCK_THREADS) {
		unsigned int i = pool->thread_count;

		error = -posix_memalign(&pool->bounce[i], BLOCK_MAX_ALIGNMENT, BLOCK_BOUNCE_SIZE);
		if (error == 0)
			error = -pthread_create(&pool->threads[i], &attributes, work, pool);
		if (error == 0)
			pool->thread_count++;
	}
	pthread_attr_destroy(&attributes);
	return error;
}

int block_pool_open(struct block_pool *pool, struct block_file *file, int (*enter)(void))
{
	int error;

	*pool = (struct block_pool){
		.file = file,
		.enter = enter,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.work = PTHREAD_COND_INITIALIZER,
		.settled = PTHREAD_COND_INITIALIZER,
		.waiting_end = &pool->waiting,
		.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
	};
	error = pool->done_fd < 0 ? -errno : start_threads(pool);
	pthread_mutex_lock(&pool->lock);
	while (pool->entered < pool->thread_count)
		pthread_cond_wait(&pool->settled, &pool->lock);
	if (error == 0)
		error = pool->enter_error;
	pthread_mutex_unlock(&pool->lock);
	if (error != 0) {
		log_error("cannot start the threads of a disk: %s", strerror(-error));
		block_pool_close(pool);
	}
	return error;
}

void block_pool_close(struct block_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->quit = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned int i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i], NULL);
	for (unsigned int i = 0; i < BLOCK_THREADS; i++)
		free(pool->bounce[i]);
	close_fd(&pool->done_fd);
	pthread_mutex_destroy(&pool->lock);
	pthread_cond_destroy(&pool->work);
	pthread_cond_destroy(&pool->settled);
}

void block_pool_submit(struct block_pool *pool, struct block_request *request)
{
	request->next = NULL;
	pthread_mutex_lock(&pool->lock);
	*pool->waiting_end = request;
	pool->waiting_end = &request->next;
	pool->unfinished++;
	pthread_cond_signal(&pool->work);
	pthread_mutex_unlock(&pool->lock);
}

struct block_request *block_pool_collect(struct block_pool *pool)
{
	struct block_request *done;

	/* Emptied first: what is put into the list from here on signals anew, or is seen below. */
	event_take(pool->done_fd);
	pthread_mutex_lock(&pool->lock);
	done = pool->done;
	pool->done = NULL;
	pthread_mutex_unlock(&pool->lock);
	return done;
}

void block_pool_settle(struct block_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	while (pool->unfinished != 0)
		pthread_cond_wait(&pool->settled, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}
