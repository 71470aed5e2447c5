/* Two threads write one number, with nothing between them: what a detector of races has to report. With `-DORDERED` each
 * writes its own and the sum is taken after the loop, which it must not report. */
#include <stdio.h>

int main(void) {
    double shared[2] = {0, 0};
#pragma omp parallel for num_threads(2) schedule(static)
    for (int i = 0; i < 1000; i++)
#ifdef ORDERED
        shared[i / 500] += i;
#else
        shared[0] += i;
#endif
    printf("%g\n", shared[0] + shared[1]);
    return 0;
}
