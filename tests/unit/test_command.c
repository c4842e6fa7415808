/* The command line: what is found in which order, and what is refused by which name. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/command.h"

static const struct option options[] = {{"help", no_argument, NULL, 'h'},
                                        {"check", no_argument, NULL, 'c'},
                                        {"set", required_argument, NULL, 's'},
                                        {NULL, 0, NULL, 0}};

/* What ae_command_next() finds in up to 6 arguments, as "c s=VALUE :FILE ", up to the first that is
 * refused. */
static void read_arguments(char *found, size_t size, const char *const *arguments) {
    char *argv[8] = {(char[]){"program"}};
    int argc = 1;
    while (arguments[argc - 1]) {
        argv[argc] = strdup(arguments[argc - 1]);
        ++argc;
    }
    const char *word;
    size_t used = 0;
    optind = 0;
    found[0] = '\0';
    for (int next; (next = ae_command_next(argc, argv, options, &word)) != -1;) {
        if (next == ':' || next == '?') {
            assert_int_equal(ae_command_refuse("program", options, next, word), AE_ERROR_USAGE);
            used += (size_t)snprintf(found + used, size - used, "refused");
            break;
        }
        used += (size_t)snprintf(found + used, size - used, "%c%s%s ",
                                 next == AE_COMMAND_OPERAND ? ':' : next, next == 's' ? "=" : "",
                                 next == 's' || next == AE_COMMAND_OPERAND ? optarg : "");
    }
    for (int i = 1; i < argc; ++i) free(argv[i]);
}

#define CHECK_ARGUMENTS(wanted, ...)                                                               \
    do {                                                                                           \
        char found[256];                                                                           \
        read_arguments(found, sizeof found, (const char *const[]){__VA_ARGS__, NULL});             \
        assert_string_equal(found, wanted);                                                        \
    } while (0)

static void check_orders(void) {
    CHECK_ARGUMENTS(":a.ini s=x=1 c ", "a.ini", "--set", "x=1", "--check");
    CHECK_ARGUMENTS("s=x=1 c :a.ini ", "--set=x=1", "--check", "a.ini");
    CHECK_ARGUMENTS("c :--set :-x ", "--check", "--", "--set", "-x");
    CHECK_ARGUMENTS(":a :b c h ", "a", "b", "--che", "-h");
    CHECK_ARGUMENTS("c ", "--check", "--");
}

static void test_order_of_arguments(void **state) {
    (void)state;
    unsetenv("POSIXLY_CORRECT");
    check_orders();
    setenv("POSIXLY_CORRECT", "1", 1);
    check_orders();
    unsetenv("POSIXLY_CORRECT");
}

static void check_refused(const char *const *arguments, const char *wanted) {
    char found[256];
    read_arguments(found, sizeof found, arguments);
    assert_non_null(strstr(found, "refused"));
    if (strncmp(ae_message(), wanted, strlen(wanted)) != 0)
        fail_msg("'%s' does not begin: %s", wanted, ae_message());
}

#define REFUSE(wanted, ...) check_refused((const char *const[]){__VA_ARGS__, NULL}, wanted)
#define LAUNCHERS "; the launcher's options stand before the program, as in mpirun -np 2 program;"

static void test_the_wrong_option_is_named(void **state) {
    (void)state;
    REFUSE("unknown option -np" LAUNCHERS, "a.ini", "-np", "2");
    REFUSE("unknown option --bind-to" LAUNCHERS, "a.ini", "--bind-to", "none");
    REFUSE("unknown option --host=a,b" LAUNCHERS, "--host=a,b", "a.ini");
    REFUSE("unknown option -qx; see program --help", "a.ini", "-qx");
    REFUSE("unknown option -hx; see program --help", "-hx", "a.ini");
    REFUSE("unknown option --fast; see", "--fast", "a.ini");
    REFUSE("unknown option -set; it is written --set;", "a.ini", "-set", "x=1");
    REFUSE("--check=1: --check takes no value;", "--check=1", "a.ini");
    REFUSE("--set needs a value;", "a.ini", "--set");
    REFUSE("unknown option -<U+2013>set;", "a.ini",
           "-\u2013set"); /* "--" as some editors write it */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_of_arguments),
        cmocka_unit_test(test_the_wrong_option_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
