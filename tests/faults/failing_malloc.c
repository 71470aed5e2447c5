/* malloc, calloc and realloc that fail once, at a call that is chosen, for callers in some shared libraries.
 *
 * To be preloaded. Until `fail_at` is called, and for all other callers, they are glibc's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

static atomic_long calls, chosen;
static char part_of_name[4096];

/* Count calls from now on of libraries whose path contains `part`, and let call number k fail; 0 ends it.
 * Returns the number of calls before. */
long fail_at(const char *part, long k)
{
    long before = atomic_exchange(&calls, 0);
    strncpy(part_of_name, part, sizeof part_of_name - 1);
    atomic_store(&chosen, k);
    return before;
}

static int fails(void *caller)
{
    Dl_info info;
    long k = atomic_load(&chosen);
    if (k == 0 || !dladdr(caller, &info) || !info.dli_fname || !strstr(info.dli_fname, part_of_name))
        return 0;
    if (atomic_fetch_add(&calls, 1) + 1 != k)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *block, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(block, size);
}
