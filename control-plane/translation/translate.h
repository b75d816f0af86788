// Resources in, one snapshot and every status out. A pure and total function: a reference that does
// not resolve becomes a condition, never an error. Equal input gives byte-equal output.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "apk/v1/snapshot.pb.h"
#include "common/labels.h"
#include "control-plane/resources/resource_set.h"

namespace apk {

// Why agents are kept from running the snapshot, where they are.
struct HeldBack {
  std::string message;                         // "": they are not.
  std::map<std::string, std::string> refused;  // By resource: what an agent has against it.
  std::map<ResourceKey, std::string> objects;  // That alone are held back, and why.

  bool operator==(const HeldBack& other) const = default;
};

// What the agents say of the snapshot; it decides the Programmed conditions.
struct FleetReport {
  struct ListenerError {
    std::string agent;
    std::string message;
    std::string address;            // Of the listener's addresses; "": the agent's own.
    bool address_unusable = false;  // The agent's node does not have it.

    bool operator==(const ListenerError& other) const = default;
  };
  // Connected agents that have the same labels.
  struct Group {
    Labels labels;
    int agents = 0;
    // Of the snapshots that they run. None: not told, and not held against them.
    std::set<std::string> versions;
    std::set<std::string> addresses;  // Where listeners without an address of their own are bound.

    bool operator==(const Group& other) const = default;
  };
  std::vector<Group> groups;
  std::map<std::string, std::vector<ListenerError>> listener_errors;  // By ListenerConfig name.
  HeldBack held_back;

  bool operator==(const FleetReport& other) const = default;
};

struct Translation {
  v1::Snapshot snapshot;  // Complete with hashes and version.
  // Objects whose status differs from the one in the set, sorted by key: the same object with the
  // new status and the resourceVersion of the revision.
  // Conditions that did not change keep their lastTransitionTime.
  std::vector<ResourcePtr> status_updates;
  // Objects that are held back, and what their statuses are to say of it.
  const std::map<ResourceKey, std::string>* held = nullptr;
  const std::string* now = nullptr;  // As Translate has it.
};

// `now` is RFC 3339, used as lastTransitionTime of conditions that change.
Translation Translate(const ResourceSet& resources, const FleetReport& fleet, uint64_t revision,
                      const std::string& now);

}  // namespace apk
