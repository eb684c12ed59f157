// SPDX-License-Identifier: GPL-2.0
#include "kselftest_harness.h"
TEST(stub)
{
}
TEST_HARNESS_MAIN
