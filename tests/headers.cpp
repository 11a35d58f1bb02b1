// A target that makes precompiled headers has to have a source.
