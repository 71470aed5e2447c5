# How many threads a loop is worth.
#
# Problem     With little to do, one thread is done before another is awake; and where the machine has other work, a
#             loop waits until its last thread has had its turn, milliseconds later.
# Method      The work of a loop is what one thread would take for it, in nanoseconds, to a factor of two or three: a
#             multiplication takes .006 a byte in products that stay in the cache, .1 in those of lists and panels, and
#             what comes from memory .2 to .5 a number.
# Invariants  Results do not depend on the number of threads, and so not on what is worth one.

# nanoseconds of work for which a thread is woken
cdef double worth_a_thread = 2e5


cdef int threads_for(double work, int n_threads) noexcept nogil:
    """Return how many threads to use, of so many, for a loop of so much work."""
    cdef double n_worth = work / worth_a_thread
    if n_worth < 2 or n_threads < 2:
        return 1
    return <int> n_worth if n_worth < n_threads else n_threads


def set_worth_a_thread(double work):
    """Set the work for which a thread is woken, in nanoseconds, for testing; return what it was."""
    global worth_a_thread
    if not work > 0:
        raise ValueError("work must be positive, got %s" % work)
    before, worth_a_thread = worth_a_thread, work
    return before
