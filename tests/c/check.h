/* check.h: the reporter of the C tests: a line for each test that failed, and the sums in the last line. */
#ifndef TEST_CHECK_H
#define TEST_CHECK_H

#include <stdbool.h>
#include <stdio.h>

static int check_passed, check_failed;
static bool check_ok;

/* Notes a failure and goes on: the sanitizers' own findings end the program, ours should not hide one another. */
#define CHECK(condition)                                           \
    do {                                                           \
        if (!(condition)) {                                        \
            check_ok = false;                                      \
            printf("%s:%d: %s\n", __FILE__, __LINE__, #condition); \
        }                                                          \
    } while (0)

#define RUN(test)                         \
    do {                                  \
        check_ok = true;                  \
        test();                           \
        check_passed += check_ok;         \
        check_failed += !check_ok;        \
        if (!check_ok)                    \
            printf("FAILED %s\n", #test); \
    } while (0)

static int check_report(const char *program) {
    printf("%s: %d passed, %d failed\n", program, check_passed, check_failed);
    return check_failed != 0;
}

#endif
