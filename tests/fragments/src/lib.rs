//! Nothing: the functions are the test's.
