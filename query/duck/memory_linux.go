package duck

/*
#include <errno.h>
#include <features.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#ifdef __GLIBC__

// The program's malloc stands before that of the C library, as its manual allows ("Replacing malloc"): that is the only place where
// all that DuckDB takes passes by. Go's own memory does not.
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);
void __libc_free(void *p);

// Blocks from here on count. What is made of smaller ones is within DuckDB's own limit, or grows to be large.
#define LARGE ((size_t)1 << 20)

static atomic_llong heap_used, heap_limit; // limit 0: none

static size_t heap_size(void *p) {
	size_t n = p == NULL ? 0 : malloc_usable_size(p);
	return n < LARGE ? 0 : n;
}

// heap_full refuses n bytes more.
static int heap_full(size_t n) {
	long long most = atomic_load_explicit(&heap_limit, memory_order_relaxed);
	if (n < LARGE || most == 0 || (n < (size_t)1 << 62 && atomic_load(&heap_used) + (long long)n <= most)) return 0;
	errno = ENOMEM;
	return 1;
}

static void *heap_count(void *p) {
	size_t n = heap_size(p);
	if (n > 0) atomic_fetch_add(&heap_used, n);
	return p;
}

void *malloc(size_t n) {
	if (n < LARGE) return heap_count(__libc_malloc(n));
	return heap_full(n) ? NULL : heap_count(__libc_malloc(n));
}

void *calloc(size_t n, size_t size) {
	size_t all;
	if (__builtin_mul_overflow(n, size, &all) || heap_full(all)) return NULL;
	return heap_count(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n) {
	size_t old = heap_size(p);
	if (n > old && heap_full(n - old)) return NULL;
	void *q = __libc_realloc(p, n);
	if (q == NULL && n > 0) return NULL;
	if (old > 0) atomic_fetch_sub(&heap_used, old);
	return heap_count(q);
}

void *memalign(size_t align, size_t n) { return heap_full(n) ? NULL : heap_count(__libc_memalign(align, n)); }

void *aligned_alloc(size_t align, size_t n) { return memalign(align, n); }

int posix_memalign(void **to, size_t align, size_t n) {
	void *p = memalign(align, n);
	if (p == NULL) return ENOMEM;
	*to = p;
	return 0;
}

void free(void *p) {
	size_t n = heap_size(p);
	if (n > 0) atomic_fetch_sub(&heap_used, n);
	__libc_free(p);
}

static void heap_bound(long long more) { atomic_fetch_add(&heap_limit, more); }

static long long heap_now(void) { return atomic_load(&heap_used); }

#else

static void heap_bound(long long more) {}

static long long heap_now(void) { return 0; }

#endif
*/
import "C"

// boundHeap adds to what C code may take in large blocks, all of this process together (D7): what expressions make is not within
// DuckDB's own limit. Beyond it there is none, and the statement that asked fails.
func boundHeap(bytes int64) { C.heap_bound(C.longlong(bytes)) }

// heapBytes is what C code has in large blocks.
func heapBytes() int64 { return int64(C.heap_now()) }
