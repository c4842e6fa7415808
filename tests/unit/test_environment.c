/* base/environment: what is set, and what of that is valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/environment.h"

static const char *const NAME = "AE_TEST_VARIABLE";

static void empty_is_unset(void **state) {
    (void)state;
    unsetenv(NAME);
    assert_null(ae_environment_text(NAME));
    setenv(NAME, "", 1);
    assert_null(ae_environment_text(NAME));
    setenv(NAME, "x", 1);
    assert_string_equal(ae_environment_text(NAME), "x");
}

static void check_whole(const char *text, int64_t lowest, bool valid, int64_t expected) {
    int64_t value = -77;
    setenv(NAME, text, 1);
    assert_int_equal(ae_environment_whole(&value, NAME, lowest), valid);
    assert_int_equal(value, valid ? expected : -77);
}

static void whole_numbers(void **state) {
    (void)state;
    check_whole("0", 0, true, 0);
    check_whole("0", 1, false, 0);
    check_whole("007", 1, true, 7);
    check_whole("-3", -3, true, -3);
    check_whole("-4", -3, false, 0);
    check_whole("9223372036854775807", 0, true, INT64_MAX);
    check_whole("9223372036854775808", 0, false, 0);
    const char *const wrong[] = {"", " ", " 1", "1 ", "1x", "x", "+1", "-", "--1", "1.0", "0x1"};
    for (size_t w = 0; w < sizeof wrong / sizeof *wrong; ++w) check_whole(wrong[w], 0, false, 0);
    int64_t value = -77;
    unsetenv(NAME);
    assert_false(ae_environment_whole(&value, NAME, 0));
}

static void lists(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int first; /* 0: not a list */
    } cases[] = {{"1", 1},
                 {"12,3", 12},
                 {" 4 , 2\t", 4},
                 {"2147483647", INT32_MAX},
                 {"", 0},
                 {" ", 0},
                 {"0", 0},
                 {"2,0", 0},
                 {"2,", 0},
                 {",2", 0},
                 {"2,,3", 0},
                 {"2 3", 0},
                 {"2,abc", 0},
                 {"+2", 0},
                 {"-2", 0},
                 {"1.5", 0},
                 {"2;3", 0},
                 {"2x", 0},
                 {"2147483648", 0},
                 {"99999999999999999999", 0},
                 {"4,99999999999", 0}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; ++c) {
        int first = -77;
        assert_int_equal(ae_environment_is_list(&first, cases[c].text), cases[c].first > 0);
        assert_int_equal(first, cases[c].first > 0 ? cases[c].first : -77);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(empty_is_unset),
                                       cmocka_unit_test(whole_numbers), cmocka_unit_test(lists)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
