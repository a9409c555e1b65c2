"""One file for each library of networks, and the networks that no library has."""
