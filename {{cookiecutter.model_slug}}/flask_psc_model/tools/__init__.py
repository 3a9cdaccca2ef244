"""Commands for a developer's machine; a vendored image leaves this package out."""
