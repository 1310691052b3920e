"""What is done with finished codecs: taken from a study, used on files, weighed against others."""
