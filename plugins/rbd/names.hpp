// What the plugin tells before a disk is served: the names of images, and what one of them can do.
#pragma once
#include <ashlar/exports.hpp>
#include <ashlar/probe.hpp>
#include <string>
#include <vector>

// Adds what could stand in the place of the '*' in `pattern`, as `names` has it. Throws BadParameter when that has not
// one '*'.
void list_names(const std::string& pattern, const std::vector<std::string>& names, const ashlar::ExportsSink& sink);

// Tells of the image that request.path names, "image", "pool/image" or "pool/namespace/image", with "@snapshot" or
// without, in the cluster that Ceph's configuration leads to. Throws std::exception.
void probe_image(const ashlar::ProbeRequest& request);
