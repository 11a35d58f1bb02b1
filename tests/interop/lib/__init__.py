"""What the tests with real clients share: servers, storages, images, and a client that speaks raw NBD."""
