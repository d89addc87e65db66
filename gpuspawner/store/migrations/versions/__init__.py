"""One module a version, applied in order. A version that was released is never changed."""
