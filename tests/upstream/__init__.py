"""The test suites of the packages that the bridge runs in, as they were published with them."""
