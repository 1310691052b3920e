"""What the command line does and shows, command by command."""
