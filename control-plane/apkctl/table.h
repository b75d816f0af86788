// kubectl's tables: columns by kind, padded with three spaces. Pure.
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "control-plane/resources/kind_registry.h"

namespace apk {

struct TableOptions {
  bool wide = false;
  bool with_namespace = false;
  bool with_kind = false;  // "httproute.gateway.networking.k8s.io/name".
  int64_t now_unix_seconds = 0;
};

using Row = std::vector<std::string>;

Row HeaderOf(const Kind& kind, const TableOptions& options);
Row RowOf(const Kind& kind, const google::protobuf::Message& object, const TableOptions& options);
// Cells are made harmless for a terminal and padded by characters. `widths`, where given, are the
// columns' least widths, and grow.
std::string FormatTable(const std::vector<Row>& rows, std::vector<size_t>* widths = nullptr);

// "5s", "3m20s", "12m", "2h5m", "4d", as kubectl shortens ages; "<unknown>" where it can't be read.
std::string AgeOf(const std::string& rfc3339, int64_t now_unix_seconds);

}  // namespace apk
