"""The `hunter` command: parse, call one function, print. Commands are imported when used."""
