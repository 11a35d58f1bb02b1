// The files that the file plugin could serve when its path is a template.
#pragma once
#include <ashlar/exports.hpp>
#include <string>

namespace ashlar::file {

// Adds, for each regular file of the folder whose name fits the last part of `path` with something in the place of its
// one '*', what stands there. Files whose name begins with a dot are left out, and so is what would begin with one.
// Links to regular files count as such. Throws BadParameter for a path that is no such template, std::system_error when
// the folder cannot be read.
void list_files(const std::string& path, const ExportsSink& sink);

}  // namespace ashlar::file
