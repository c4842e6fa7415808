/* Which kernel path runs. */
#include <string.h>

#include "base/environment.h"
#include "kernels/kernels.h"

/* Lines of the list for processors that this build isn't for fall away. */
#define FOR_any(...) __VA_ARGS__
#ifdef AE_PROCESSOR_x86_64
#define FOR_x86_64(...) __VA_ARGS__
#else
#define FOR_x86_64(...)
#endif
#ifdef AE_PROCESSOR_aarch64
#include <sys/auxv.h>
#define FOR_aarch64(...) __VA_ARGS__
#else
#define FOR_aarch64(...)
#endif

#define AE_PATH(name, processor, extensions)                                                       \
    FOR_##processor(extern const ae_kernels ae_kernels_##name;)
#include "kernels/paths.def"
#undef AE_PATH

static const struct {
    const ae_kernels *kernels;
    const char *extensions;
} paths[] = {
#define AE_PATH(name, processor, extensions) FOR_##processor({&ae_kernels_##name, extensions}, )
#include "kernels/paths.def"
#undef AE_PATH
};

#ifdef AE_PROCESSOR_x86_64
/* The compiler's question takes names as they stand in the text alone. */
static bool has_extension(const char *name) {
    const struct {
        const char *name;
        bool is_there;
    } known[] = {{"avx2", __builtin_cpu_supports("avx2")},
                 {"fma", __builtin_cpu_supports("fma")},
                 {"avx512f", __builtin_cpu_supports("avx512f")},
                 {"avx512dq", __builtin_cpu_supports("avx512dq")},
                 {"avx512bw", __builtin_cpu_supports("avx512bw")},
                 {"avx512vl", __builtin_cpu_supports("avx512vl")}};
    for (size_t k = 0; k < sizeof known / sizeof *known; ++k)
        if (strcmp(known[k].name, name) == 0) return known[k].is_there;
    return false;
}
#elif defined(AE_PROCESSOR_aarch64)
static bool has_extension(const char *name) {
    return strcmp(name, "simd") == 0 && (getauxval(AT_HWCAP) & HWCAP_ASIMD);
}
#else
static bool has_extension(const char *name) {
    (void)name;
    return false;
}
#endif

static bool is_supported(int path) {
    char names[64], *rest = names;
    strcpy(names, paths[path].extensions);
    for (char *name; (name = strtok_r(rest, " ", &rest));)
        if (!has_extension(name)) return false;
    return true;
}

int ae_kernels_count(void) {
    return (int)(sizeof paths / sizeof paths[0]);
}

const char *ae_kernels_name(int path) {
    return paths[path].kernels->name;
}

const ae_kernels *ae_kernels_at(int path) {
    return is_supported(path) ? paths[path].kernels : NULL;
}

ae_status ae_kernels_find(int *path) {
    const char *name = ae_environment_text("AE_KERNELS");
    char known[128] = "";
    for (int p = ae_kernels_count() - 1; p >= 0; --p) {
        if (!ae_kernels_at(p)) continue;
        if (!name || strcmp(name, ae_kernels_name(p)) == 0) {
            *path = p;
            return AE_OK;
        }
        if (known[0]) strcat(known, ", ");
        strcat(known, ae_kernels_name(p));
    }
    return ae_fail(AE_ERROR_USAGE,
                   "environment variable AE_KERNELS=%s: this processor and build have %s; unset it "
                   "for the fastest",
                   name, known);
}
