"""Pages for all visitors.

Home, centres, the state of the service, the feed, and what is shown without a store.
"""
