"""What is built on the library: nothing outside this folder imports it but the command
line."""
