// The cluster in JSON, and the headers that every answer of the API has.
#pragma once

#include <boost/json/fwd.hpp>
#include <string>

#include "admin/cluster_view.h"
#include "core/api/http.h"

namespace keelson::admin {

boost::json::object to_json(const GroupStatus& group);

// `timestamp` in the form of iso_date().
std::string cluster_json(const ClusterStatus& status, const std::string& timestamp);
std::string group_json(const GroupStatus& group);
// The leaders are those that `cluster` knows.
std::string shards_json(const ShardsStatus& shards, const ClusterStatus& cluster);

// An answer of the API with that body.
api::HttpResponse json_answer(int status, std::string body);

}  // namespace keelson::admin
