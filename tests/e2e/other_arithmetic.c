/* A library for LD_PRELOAD under which a process has another arithmetic than IEEE 754's default, as
 * under a library that was linked for fast mathematics: from the start, in every thread it makes,
 * and again after each MPI_Allreduce.
 *
 *     AE_ARITHMETIC    up: rounds up; flush: makes subnormal numbers zero (x86, ARM64)
 *     AE_FOR_GOOD      where it is set, fesetenv does nothing
 */
#include <dlfcn.h>
#include <fenv.h>
#include <mpi.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

static void spoil(void) {
    const char *how = getenv("AE_ARITHMETIC");
    if (how && strcmp(how, "up") == 0) fesetround(FE_UPWARD);
#ifdef __SSE__
    if (how && strcmp(how, "flush") == 0) _mm_setcsr(_mm_getcsr() | 0x8040); /* FTZ, DAZ */
#elif defined(__aarch64__)
    uint64_t control;
    __asm__ volatile("mrs %0, fpcr" : "=r"(control));
    if (how && strcmp(how, "flush") == 0)
        __asm__ volatile("msr fpcr, %0" ::"r"(control | (uint64_t)1 << 24)); /* FZ */
#endif
}

__attribute__((constructor)) static void spoil_first_thread(void) {
    spoil();
}

typedef struct start {
    void *(*routine)(void *);
    void *argument;
} start;

static void *run_spoilt(void *memory) {
    start s = *(start *)memory;
    free(memory);
    spoil();
    return s.routine(s.argument);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*routine)(void *),
                   void *argument) {
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    start *s = malloc(sizeof *s);
    if (!s) abort();
    *s = (start){routine, argument};
    return real(thread, attributes, run_spoilt, s);
}

int MPI_Allreduce(const void *in, void *out, int count, MPI_Datatype type, MPI_Op operation,
                  MPI_Comm comm) {
    int result = PMPI_Allreduce(in, out, count, type, operation, comm);
    spoil();
    return result;
}

int fesetenv(const fenv_t *environment) {
    if (getenv("AE_FOR_GOOD")) return 0;
    int (*real)(const fenv_t *);
    *(void **)&real = dlsym(RTLD_NEXT, "fesetenv");
    return real(environment);
}
