"""One verb, one file: parse, call one function, show what came out."""
