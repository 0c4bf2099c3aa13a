//! The configuration: data that can be compared, printed and read from the environment.
