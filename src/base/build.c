#include "base/build.h"

#include "build_generated.h"

const char *ae_build_version(void) {
    return AE_BUILD_VERSION;
}

const char *ae_build_revision(void) {
    return AE_BUILD_REVISION;
}

const char *ae_build_compiler(void) {
    return AE_BUILD_COMPILER;
}

const char *ae_build_flags(void) {
    return AE_BUILD_FLAGS;
}
