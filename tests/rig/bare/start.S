/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image's header, as Documentation/arch/arm64/booting.rst has it, the first instructions of
 * each CPU, and exceptions: what an access is answered with is counted, and the access skipped.
 */
	.section .head, "ax"
	b	start
	.long	0
	.quad	0		/* text offset: at the beginning of RAM */
	.quad	image_size	/* of the linker's script */
	.quad	0		/* flags: little-endian, any page size */
	.quad	0, 0, 0
	.ascii	"ARM\x64"
	.long	0

	.text
/* CPU 0; x0: the device tree. */
start:
	adrp	x1, stack_0_end
	add	sp, x1, :lo12:stack_0_end
	adrp	x1, vectors
	add	x1, x1, :lo12:vectors
	msr	vbar_el1, x1
	isb
	bl	bare_main
	b	.

/* Another CPU, started by PSCI; x0: the context given, its number. */
	.global	other_cpu
other_cpu:
	adrp	x1, stack_0_end
	add	x1, x1, :lo12:stack_0_end
	add	x1, x1, x0, lsl #13
	mov	sp, x1
	adrp	x1, vectors
	add	x1, x1, :lo12:vectors
	msr	vbar_el1, x1
	isb
	bl	bare_other
	b	.

	.macro	skip_access
	.balign	0x80
	stp	x0, x1, [sp, #-16]!
	mrs	x0, elr_el1
	add	x0, x0, #4
	msr	elr_el1, x0
	adrp	x1, aborts
	add	x1, x1, :lo12:aborts
	ldr	x0, [x1]
	add	x0, x0, #1
	str	x0, [x1]
	ldp	x0, x1, [sp], #16
	eret
	.endm

	.balign	0x800
vectors:
	.rept	16
	skip_access
	.endr

	.data
	.balign	16
	.global	aborts
aborts:	.quad	0
	.balign	16
	.skip	8192
stack_0_end:
	.skip	2 * 8192	/* of the others, BARE_CPUS in all */
