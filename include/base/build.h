/* What this program was built from and with. */
#ifndef AE_BASE_BUILD_H
#define AE_BASE_BUILD_H

const char *ae_build_version(void);  /* "0.1.0" */
const char *ae_build_revision(void); /* git revision, "-dirty" where the tree had changes */
const char *ae_build_compiler(void); /* "GNU 12.2.0" */
const char *ae_build_flags(void);    /* "-O3 ..." */

#endif
