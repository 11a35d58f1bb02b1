"""libnbd with the settings these tests want."""

from .case import skip

try:
    import nbd
    from nbd import NBD, Error  # noqa: F401  (for the tests)
except ImportError:
    skip("needs libnbd for Python (python3-libnbd)")


def connect(uri, structured=True, contexts=("base:allocation",), strict=True):
    """A connected handle. strict=False lets requests through that libnbd itself would refuse."""
    handle = nbd.NBD()
    handle.set_uri_allow_local_file(True)  # for tls-certificates
    handle.set_request_structured_replies(structured)
    if structured:
        for context in contexts:
            handle.add_meta_context(context)
    if not strict:
        handle.set_strict_mode(0)
    handle.connect_uri(uri)
    return handle


def extents(handle, length, offset, flags=0):
    """[(length, state), …] of one BLOCK_STATUS."""
    found = []

    def note(context, _offset, entries, _error):
        if context == nbd.CONTEXT_BASE_ALLOCATION:
            found.extend(zip(entries[0::2], entries[1::2]))

    handle.block_status(length, offset, note, flags)
    return found
