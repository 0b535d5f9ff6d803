/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the pure files need from their surroundings: fixed-width types, bool,
 * memory functions, byte order, unaligned access. From the kernel's headers
 * there, from libc's in user space, so that the same files are tested and
 * fuzzed in both.
 */
#ifndef MCP_PURE_H
#define MCP_PURE_H

#include <linux/types.h>

#ifdef __KERNEL__

#include <linux/errno.h>
#include <linux/socket.h>
#include <linux/string.h>
#include <linux/version.h>
#include <asm/byteorder.h>
#if KERNEL_VERSION(6, 12, 0) <= LINUX_VERSION_CODE
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

#else /* !__KERNEL__ */

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* For the kernel's W=1; libc's compilers do not warn. */
#ifndef __maybe_unused
#define __maybe_unused
#endif

static inline __u16 get_unaligned_be16(const void *p)
{
	const __u8 *o = (const __u8 *)p;

	return (__u16)(o[0] << 8 | o[1]);
}

static inline __u32 get_unaligned_be32(const void *p)
{
	const __u8 *o = (const __u8 *)p;

	return (__u32)get_unaligned_be16(o) << 16 | get_unaligned_be16(o + 2);
}

static inline __u64 get_unaligned_be64(const void *p)
{
	const __u8 *o = (const __u8 *)p;

	return (__u64)get_unaligned_be32(o) << 32 | get_unaligned_be32(o + 4);
}

static inline void put_unaligned_be16(__u16 value, void *p)
{
	__u8 *o = (__u8 *)p;

	o[0] = (__u8)(value >> 8);
	o[1] = (__u8)value;
}

static inline void put_unaligned_be32(__u32 value, void *p)
{
	__u8 *o = (__u8 *)p;

	put_unaligned_be16((__u16)(value >> 16), o);
	put_unaligned_be16((__u16)value, o + 2);
}

static inline void put_unaligned_be64(__u64 value, void *p)
{
	__u8 *o = (__u8 *)p;

	put_unaligned_be32((__u32)(value >> 32), o);
	put_unaligned_be32((__u32)value, o + 4);
}

#endif /* __KERNEL__ */

#endif /* MCP_PURE_H */
