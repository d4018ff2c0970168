/* clock.h - monotonic time. */
#ifndef MP_BASE_CLOCK_H
#define MP_BASE_CLOCK_H
#include <stdint.h>
int64_t mp_clock_ns(void); /* CLOCK_MONOTONIC, nanoseconds */
static inline double mp_clock_s(void) {
    return (double)mp_clock_ns() * 1e-9;
}
#endif
