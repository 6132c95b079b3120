"""The types of all bodies and answers, for the server, the client and the panel.

A field without a default is in every answer; an optional field is left out at its default. A client
ignores unknown fields, and new fields have a default, so that clients and servers of different
versions understand each other. A set of words that may grow is a text with the known words
(`one_of`). A server refuses a body with an unknown field. Sizes are bytes, durations seconds, times
UTC.
"""
