"""Tables of the case ``defaults``: who is first, by how much, at what price."""


def report(methods=None, sets=None, details=False):
    return ""
