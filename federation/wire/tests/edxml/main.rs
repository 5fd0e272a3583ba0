//! edXML seen from outside: real shapes, generated values, and everything that must not pass.

mod bad;
mod bear;
mod corpus;
mod document;
mod generate;
mod properties;
mod vectors;
