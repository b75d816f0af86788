// By listener, rule and backend. What nobody has asked for yet has no samples: tables may have many
// routes.
#include <array>
#include <map>
#include <optional>

#include "common/strings.h"
#include "data-plane/observe/exposition.h"
#include "data-plane/observe/metrics.h"

namespace apk {
namespace {

using ClassSums = std::array<uint64_t, std::tuple_size_v<CountsByClass>>;
using AllSeries = std::vector<std::shared_ptr<const Series>>;

// Where the labels of a family come from.
struct ClassFamily {
  std::string_view name;
  std::string_view help;
  std::string_view label;            // Of the series' name,
  std::string_view part_label = "";  // and of its part; "": it has none.
};

template <class Counts>
ClassSums SumClasses(const std::vector<const WorkerMetrics*>& workers,
                     SeriesSlots<Counts> ExchangeCounts::*slots, const Series& series) {
  ClassSums sums{};
  for (const WorkerMetrics* const worker : workers) {
    const Counts* const counts = (worker->exchanges.*slots).Find(series);
    if (counts == nullptr) continue;
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += counts->requests[i].value();
  }
  return sums;
}

template <class Counts>
void AddClasses(Exposition& out, const ClassFamily& family, const AllSeries& all,
                const std::vector<const WorkerMetrics*>& workers,
                SeriesSlots<Counts> ExchangeCounts::*slots) {
  out.Family(family.name, "counter", family.help);
  for (const auto& series : all) {
    const ClassSums sums = SumClasses(workers, slots, *series);
    for (size_t i = 0; i < sums.size(); ++i) {
      if (sums[i] == 0) continue;
      const std::string code = i == 0 ? "none" : Concat(std::to_string(i), "xx");
      if (family.part_label.empty()) {
        out.Sample(family.name, {{family.label, series->name}, {"code", code}}, sums[i]);
      } else {
        out.Sample(
            family.name,
            {{family.label, series->name}, {family.part_label, series->part}, {"code", code}},
            sums[i]);
      }
    }
  }
}

// Of backends that had requests, like the others; with what never happened, as 0.
void AddResilience(Exposition& out, const AllSeries& backends,
                   const std::vector<const WorkerMetrics*>& workers) {
  const auto for_each = [&](const auto& value, const auto& add) {
    for (const auto& series : backends) {
      std::optional<uint64_t> total;
      for (const WorkerMetrics* const worker : workers) {
        const BackendCounts* const counts = worker->exchanges.backends.Find(*series);
        if (counts != nullptr) total = total.value_or(0) + value(*counts);
      }
      if (total.has_value()) add(series->name, *total);
    }
  };
  constexpr std::string_view kLimited = "apk_backend_limited_total";
  constexpr std::array<std::string_view, 4> kLimits = {"connections", "pending", "requests",
                                                       "retries"};
  out.Family(kLimited, "counter", "Times that a limit of the backend was in the way of a request.");
  for (size_t i = 0; i < kLimits.size(); ++i) {
    for_each([i](const BackendCounts& counts) { return counts.limited[i].value(); },
             [&](const std::string& backend, uint64_t times) {
               out.Sample(kLimited, {{"backend", backend}, {"limit", kLimits[i]}}, times);
             });
  }
  const auto add = [&](std::string_view name, std::string_view help,
                       Counter BackendCounts::*counter) {
    out.Family(name, "counter", help);
    for_each([counter](const BackendCounts& counts) { return (counts.*counter).value(); },
             [&](const std::string& backend, uint64_t times) {
               out.Sample(name, {{"backend", backend}}, times);
             });
  };
  add("apk_backend_retries_total",
      "Requests sent to the backend again, as the rule or the backend wants it.",
      &BackendCounts::retries);
  add("apk_backend_ejections_total",
      "Endpoints of the backend that were left alone for a while, since requests to them failed.",
      &BackendCounts::ejections);
}

struct HistogramSums {
  std::array<uint64_t, LatencyHistogram::kBuckets> buckets{};
  uint64_t sum_microseconds = 0;

  void Add(const LatencyHistogram& histogram) {
    for (size_t i = 0; i < buckets.size(); ++i) buckets[i] += histogram.InBucket(i);
    sum_microseconds += histogram.sum_microseconds();
  }
};

// A route's, over its rules.
void AddHistogram(Exposition& out, std::string_view name, std::string_view help,
                  const AllSeries& rules, const std::vector<const WorkerMetrics*>& workers,
                  LatencyHistogram RuleCounts::*histogram) {
  std::map<std::string_view, HistogramSums> routes;
  for (const auto& rule : rules) {
    for (const WorkerMetrics* const worker : workers) {
      const RuleCounts* const counts = worker->exchanges.rules.Find(*rule);
      if (counts != nullptr) routes[rule->name].Add(counts->*histogram);
    }
  }
  out.Family(name, "histogram", help);
  const std::string bucket_name = Concat(name, "_bucket");
  for (const auto& [route, sums] : routes) {
    uint64_t count = 0;
    for (size_t i = 0; i < sums.buckets.size(); ++i) {
      count += sums.buckets[i];
      const std::string bound =
          i < LatencyHistogram::kBounds.size() ? Seconds(LatencyHistogram::kBounds[i]) : "+Inf";
      out.Sample(bucket_name, {{"route", route}, {"le", bound}}, count);
    }
    out.SampleTime(Concat(name, "_sum"), {{"route", route}}, sums.sum_microseconds);
    out.Sample(Concat(name, "_count"), {{"route", route}}, count);
  }
}

}  // namespace

void AddExchanges(Exposition& out, const MetricsSources& sources) {
  const AllSeries rules = sources.series.rules.All();
  const AllSeries backends = sources.series.backends.All();
  AddClasses(out,
             {.name = "apk_listener_requests_total",
              .help = "Requests by listener and class of status code; none: no whole answer.",
              .label = "listener"},
             sources.series.listeners.All(), sources.workers, &ExchangeCounts::listeners);
  AddClasses(out,
             {.name = "apk_route_requests_total",
              .help = "Requests by rule of a route, which has a name or a number.",
              .label = "route",
              .part_label = "rule"},
             rules, sources.workers, &ExchangeCounts::rules);
  AddClasses(out,
             {.name = "apk_backend_requests_total",
              .help = "Requests by the backend that was chosen for them, whoever answered.",
              .label = "backend"},
             backends, sources.workers, &ExchangeCounts::backends);
  AddResilience(out, backends, sources.workers);
  AddHistogram(out, "apk_route_request_duration_seconds",
               "From a request's head to the last byte of its answer.", rules, sources.workers,
               &RuleCounts::duration);
  AddHistogram(out, "apk_route_upstream_duration_seconds",
               "From the first try to the head of the backend's answer.", rules, sources.workers,
               &RuleCounts::upstream);
}

}  // namespace apk
