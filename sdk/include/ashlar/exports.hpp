// Exports: what a plugin could serve, when one of its parameters has a '*' that stands for a name.
//
//   static void list_exports(Layer& layer, const ashlar::ExportsSink& sink) {
//     for (const Volume& volume : layer.pool.volumes())
//       if (!sink.add(volume.name, volume.comment)) return;
//   }
#pragma once
#include <ashlar/abi.h>

#include <string>

namespace ashlar {

// Where the names go. Valid during the call of list_exports(). What is added when nothing more is wanted goes nowhere.
class ExportsSink {
 public:
  explicit ExportsSink(const ashlar_exports_sink& sink) : sink_(&sink) {}

  // A text that could stand for the '*' in the layer's parameters and be opened then, in any order. UTF-8. False:
  // nothing more is wanted.
  bool add(const std::string& name, const std::string& description = "") const {
    return wanted_ = wanted_ &&
                     sink_->add(sink_->self, name.c_str(), description.empty() ? nullptr : description.c_str()) == 0;
  }

 private:
  const ashlar_exports_sink* sink_;
  mutable bool wanted_ = true;
};

// A plugin class with `static void list_exports(Layer&, const ExportsSink&)` has the extension ASHLAR_EXPORTS_ID. That
// may throw, as a constructor may. The layer has been created then, and not opened. [control]

}  // namespace ashlar
