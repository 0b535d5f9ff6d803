// SPDX-License-Identifier: GPL-2.0
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/sched.h>
#include <net/sock.h>

#include "compat.h"
#include "pages.h"

/*
 * Pages that a CPU keeps: with pages of 64 KiB, 2 MiB, which is what is on its way
 * at 1 Gbit/s to a server 16 ms off.
 */
#define MCP_PAGES	32

/**
 * struct mcp_pages - pages that were filled, with a reference each
 * @lock:	for all below: others than the CPU's worker take it to give pages back
 * @first:	which one was first
 * @number:	how many there are
 * @page:	a ring
 */
struct mcp_pages {
	spinlock_t lock;	/* for all below */
	u8 first;
	u8 number;
	struct page *page[MCP_PAGES];
};

static DEFINE_PER_CPU(struct mcp_pages, mcp_pages);
static struct shrinker *mcp_pages_shrinker;

/* A new page for a thread, as large as we want them, if possible. */
static bool mcp_pages_new(struct page_frag *frag)
{
	gfp_t gfp = (GFP_KERNEL & ~__GFP_DIRECT_RECLAIM) | __GFP_COMP |
		__GFP_NOWARN | __GFP_NORETRY;

	frag->page = alloc_pages(gfp, get_order(MCP_PAGE_OCTETS));
	if (!frag->page)
		return skb_page_frag_refill(1, frag, GFP_KERNEL);
	frag->offset = 0;
	frag->size = MCP_PAGE_OCTETS;
	return true;
}

/* The oldest one leaves the ring. */
static struct page *mcp_pages_pop(struct mcp_pages *pages)
{
	struct page *oldest = pages->page[pages->first];

	pages->first = (pages->first + 1) % MCP_PAGES;
	pages->number--;
	return oldest;
}

/*
 * Is it one that is worth having again? Small ones, which there are when memory is in
 * pieces, would stay in the ring for as long as octets come.
 */
static bool mcp_page_worth(struct page *page)
{
	return !page_is_pfmemalloc(page) && page_to_nid(page) == numa_mem_id() &&
	       compound_order(page) >= get_order(MCP_PAGE_OCTETS);
}

/*
 * Puts a page away that is full, and gets the oldest one, if nobody has any of it
 * any more.
 */
static struct page *mcp_pages_swap(struct page *full)
{
	struct mcp_pages *pages = raw_cpu_ptr(&mcp_pages);
	struct page *free = NULL, *drop = NULL;

	/* Which CPU's does not matter: most often the one that filled them. */
	spin_lock(&pages->lock);
	if (pages->number && page_ref_count(pages->page[pages->first]) == 1)
		free = mcp_pages_pop(pages);
	else if (full && pages->number == MCP_PAGES)
		drop = mcp_pages_pop(pages);
	if (full)
		pages->page[(pages->first + pages->number++) % MCP_PAGES] = full;
	spin_unlock(&pages->lock);
	if (drop)
		put_page(drop);
	return free;
}

/**
 * mcp_pages_refill() - have a page of the thread's own with room in it
 * @least: so many octets are room enough; MCP_PAGE_OCTETS at most
 *
 * As sendmsg() does, the worker's thread has a page of which it gives out one piece
 * after the other. When it is full, its octets are on their way in some socket, and
 * soon on nobody's: then it serves again. Allocating pages is dear where the kernel
 * clears them.
 *
 * Context: process.
 * Return: the thread's page, or NULL without memory. When memory is in pieces it may
 * have less room than that.
 */
struct page_frag *mcp_pages_refill(u32 least)
{
	struct page_frag *frag = &current->task_frag;
	struct page *page = frag->page;

	if (page && page_ref_count(page) == 1)
		frag->offset = 0;
	/* None of it is used: there was no larger one. */
	if (page && (!frag->offset || frag->size - frag->offset >= least))
		return frag;
	if (page && !mcp_page_worth(page)) {
		put_page(page);
		page = NULL;
	}
	frag->page = NULL;
	page = mcp_pages_swap(page);
	if (!page)
		return mcp_pages_new(frag) ? frag : NULL;
	frag->page = page;
	frag->offset = 0;
	frag->size = page_size(page);
	return frag;
}

static unsigned long mcp_pages_count(struct shrinker *shrinker,
				     struct shrink_control *sc)
{
	unsigned long number = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		number += READ_ONCE(per_cpu_ptr(&mcp_pages, cpu)->number);
	return number ?: SHRINK_EMPTY;
}

/* Gives back so many pages of a CPU, or all there are. Returns how many. */
static unsigned long mcp_pages_drop(int cpu, unsigned long most)
{
	struct mcp_pages *pages = per_cpu_ptr(&mcp_pages, cpu);
	unsigned long number = 0;

	spin_lock(&pages->lock);
	for (; pages->number && number < most; number++)
		put_page(mcp_pages_pop(pages));
	spin_unlock(&pages->lock);
	return number;
}

static unsigned long mcp_pages_scan(struct shrinker *shrinker,
				    struct shrink_control *sc)
{
	unsigned long number = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		number += mcp_pages_drop(cpu, sc->nr_to_scan - number);
	return number ?: SHRINK_STOP;
}

/**
 * mcp_pages_init() - before the first mcp_pages_refill()
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int __init mcp_pages_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		spin_lock_init(&per_cpu_ptr(&mcp_pages, cpu)->lock);
	mcp_pages_shrinker = mcp_shrinker_new("mcp-pages", mcp_pages_count,
					      mcp_pages_scan);
	return mcp_pages_shrinker ? 0 : -ENOMEM;
}

/**
 * mcp_pages_exit() - give all pages back
 *
 * Context: process; no worker runs any more.
 */
void mcp_pages_exit(void)
{
	int cpu;

	mcp_shrinker_free(mcp_pages_shrinker);
	for_each_possible_cpu(cpu)
		mcp_pages_drop(cpu, MCP_PAGES);
}
