"""Static files: hashed names in pages, compressed copies beside them."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, which also rewrites the imports between our ES modules.

    Without this an ES module would import its neighbour by its unhashed name and a browser could
    mix versions of two files for as long as its cache lasts.
    """

    support_js_module_import_aggregation = True
