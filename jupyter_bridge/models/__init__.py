"""The shape of every body and answer: the server's, the client's, and from them the panel's.

A field without a default is in every answer; an optional one is left out while it has its default.
A client passes over fields that it does not know, and a field that is added gets a default, so that
clients and servers of different versions read each other. Words that later versions may add to are
texts that name the known ones (`one_of`). A server refuses a body with a field that it does not
know. Sizes are bytes, durations seconds, times UTC.
"""
