/* A test of each kernel path that this processor runs: ON_EACH_PATH(name) makes test_name() of
 * check_name(path). */
#ifndef AE_TESTS_EACH_PATH_H
#define AE_TESTS_EACH_PATH_H

#include "kernels/kernels.h"

#define ON_EACH_PATH(name)                                                                         \
    static void test_##name(void **state) {                                                        \
        (void)state;                                                                               \
        for (int path = 0; path < ae_kernels_count(); ++path)                                      \
            if (ae_kernels_at(path)) check_##name(path);                                           \
    }

#endif
