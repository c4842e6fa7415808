#include <string.h>

#include "base/environment.h"
#include "kernels/kernels.h"
#include "kernels/tables.h"

static bool always(void) {
    return true;
}

#ifdef AE_X86
static bool has_avx2(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_avx512(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}
#endif

static const struct {
    const ae_kernels *kernels;
    bool (*supported)(void);
} paths[] = {
    {&ae_kernels_ref, always},
#ifdef AE_X86
    {&ae_kernels_avx2, has_avx2},
    {&ae_kernels_avx512, has_avx512},
#endif
};

int ae_kernels_count(void) {
    return (int)(sizeof paths / sizeof paths[0]);
}

const ae_kernels *ae_kernels_at(int level) {
    return paths[level].supported() ? paths[level].kernels : NULL;
}

ae_status ae_kernels_find(int *level) {
    const char *name = ae_environment_text("AE_KERNELS");
    char known[128] = "";
    for (int l = ae_kernels_count() - 1; l >= 0; --l) {
        if (!ae_kernels_at(l)) continue;
        if (!name || strcmp(name, ae_kernels_at(l)->name) == 0) {
            *level = l;
            return AE_OK;
        }
        if (known[0]) strcat(known, ", ");
        strcat(known, ae_kernels_at(l)->name);
    }
    return ae_fail(AE_ERROR_USAGE,
                   "environment variable AE_KERNELS=%s: this processor and build have %s; unset it "
                   "for the fastest",
                   name, known);
}
