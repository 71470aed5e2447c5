/* malloc, calloc and realloc that fail for callers in some shared libraries, from a call on that is chosen.
 *
 * To be preloaded. Until `fail_at` is called, and for all other callers, they are glibc's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

enum { MOST_RANGES = 256 };

static atomic_long calls, chosen;
static long n_to_fail;
static struct { uintptr_t first, end; } code[MOST_RANGES];
static int n_ranges;
static _Atomic(void *) caller_that_failed;

static int note_code(struct dl_phdr_info *library, size_t size, void *part)
{
    (void)size;
    if (!strstr(library->dlpi_name, part))
        return 0;
    for (int i = 0; i < library->dlpi_phnum && n_ranges < MOST_RANGES; i++) {
        const ElfW(Phdr) *segment = &library->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD && segment->p_flags & PF_X) {
            code[n_ranges].first = library->dlpi_addr + segment->p_vaddr;
            code[n_ranges].end = code[n_ranges].first + segment->p_memsz;
            n_ranges++;
        }
    }
    return 0;
}

/* Count calls from now on of libraries, as they are loaded now, whose path contains `part`; call number k and the n - 1
 * after it fail; k = 0 ends it. Returns the number of calls before. */
long fail_at(const char *part, long k, long n)
{
    atomic_store(&chosen, 0);
    long before = atomic_exchange(&calls, 0);
    n_ranges = 0;
    n_to_fail = n;
    if (k)
        dl_iterate_phdr(note_code, (void *)part);
    atomic_store(&caller_that_failed, NULL);
    atomic_store(&chosen, k);
    return before;
}

/* Write the file name and the offset of the last caller that was refused. */
void who_failed(char *text, long size)
{
    Dl_info info;
    void *caller = atomic_load(&caller_that_failed);
    text[0] = 0;
    if (caller && dladdr(caller, &info) && strrchr(info.dli_fname, '/'))
        snprintf(text, size, "%s+%lx", strrchr(info.dli_fname, '/') + 1, (long)((char *)caller - (char *)info.dli_fbase));
}

static int fails(void *caller)
{
    long k = atomic_load(&chosen);
    int i = 0;
    if (k == 0)
        return 0;
    while (i < n_ranges && ((uintptr_t)caller < code[i].first || (uintptr_t)caller >= code[i].end))
        i++;
    if (i == n_ranges)
        return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    if (number < k || number - k >= n_to_fail)
        return 0;
    atomic_store(&caller_that_failed, caller);
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
