#include "admin/admin_router.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "tests/admin/fake_cluster.h"
#include "tests/core/runtime/manual_clock.h"

namespace keelson::admin {
namespace {

constexpr std::string_view kPage = "<!doctype html>console";
constexpr std::string_view kScript = "console.log(1)";

// Leads without a doubt, so that whatever is not checked would be 200.
class SureLeader : public kv::Leadership {
 public:
  bool is_leader() const override { return leads; }
  Result<void> verify_leader(Deadline) override {
    ++rounds;
    return {};
  }
  std::optional<NodeId> leader_hint() const override { return NodeId(1); }
  raft::Term term() const override { return raft::Term(7); }
  bool is_draining() const override { return false; }
  bool is_ready() const override { return true; }

  bool leads = true;
  int rounds = 0;
};

class WallClock : public ManualClock {
 public:
  std::int64_t wall_ms() const override { return 784'111'777'123; }
};

class AdminRouterTest : public testing::Test {
 protected:
  api::HttpResponse ask(const std::string& method, const std::string& target,
                        bool with_console = true) {
    AdminRouter router(probes, cluster, operators, clock, with_console ? &console : nullptr);
    api::HttpRequest request;
    request.method = method;
    request.set_target(target);
    request.arrived = clock.now();
    return router.handle(request, Deadline::never());
  }

  WallClock clock;
  SureLeader leadership;
  TwoGroups cluster;
  FakeControl control;
  RememberedLog log;
  OperatorApi operators{clock, log, cluster, control, {}};
  api::Metrics metrics;
  api::Probes probes{clock, &leadership, metrics,
                     {.style = api::ProbeStyle::admin, .listener = "admin"}};
  StaticBundle console{
      {{"index.html", Bytes(kPage)}, {"assets/app-Bx3kQ9zT.js", Bytes(kScript)}}};
};

const char kOk[] = "ok\n";
const char kNotFound[] = R"({"error":"not_found"})";
const char kUnknownEndpoint[] = R"({"error":"unknown_endpoint"})";
const char kOnlyReads[] =
    R"({"error":"method_not_allowed","message":"only GET or HEAD supported"})";

struct Row {
  std::string method;
  std::string target;
  int status;
  std::string_view body;
};

TEST_F(AdminRouterTest, EveryPathIsAnsweredByTheFirstStepThatClaimsIt) {
  const std::vector<Row> rows = {
      // 1. Probes.
      {"GET", "/admin/healthz", 200, kOk},
      {"HEAD", "/admin/healthz", 200, kOk},
      {"GET", "/admin/healthz/leader", 200, kOk},
      {"HEAD", "/admin/healthz/leader", 200, kOk},
      {"GET", "/admin/healthz/ready", 200, kOk},
      {"GET", "/admin/healthz/leader?any=query", 200, kOk},
      {"GET", "http://node:8080/admin/healthz/leader", 200, kOk},
      {"POST", "/admin/healthz/leader", 405, kOnlyReads},
      {"OPTIONS", "/admin/healthz", 405, kOnlyReads},
      {"get", "/admin/healthz", 405, kOnlyReads},
      {"GET", "/admin/healthz/", 404, kNotFound},
      {"GET", "/admin/healthz/other", 404, kNotFound},
      {"POST", "/admin/healthz/other", 404, kNotFound},
      // 2. The API.
      {"POST", "/admin/api/v1/cluster", 405, kOnlyReads},
      {"DELETE", "/admin/api/v1/cluster", 405, kOnlyReads},
      {"OPTIONS", "/admin/api/v1/cluster", 405, kOnlyReads},
      {"GET", "/admin/api/v1/", 404, kUnknownEndpoint},
      {"GET", "/admin/api/v1/cluster/", 404, kUnknownEndpoint},
      {"GET", "/admin/api/v1/Cluster", 404, kUnknownEndpoint},
      {"GET", "/admin/api/v1/clusters", 404, kUnknownEndpoint},
      {"POST", "/admin/api/v1/nothing", 404, kUnknownEndpoint},
      // 3. Beside the API.
      {"GET", "/admin/api", 404, kNotFound},
      {"GET", "/admin/api/", 404, kNotFound},
      {"GET", "/admin/api/v1", 404, kNotFound},
      {"GET", "/admin/api/v2/cluster", 404, kNotFound},
      {"POST", "/admin/api/v2/cluster", 404, kNotFound},
      // 4. Assets.
      {"GET", "/admin/assets/app-Bx3kQ9zT.js", 200, kScript},
      {"HEAD", "/admin/assets/app-Bx3kQ9zT.js", 200, kScript},
      {"GET", "/admin/assets/app%2DBx3kQ9zT.js", 200, kScript},
      {"GET", "/admin/assets/app-bx3kq9zt.js", 404, kNotFound},
      {"GET", "/admin/assets/none.js", 404, kNotFound},
      {"GET", "/admin/assets", 404, kNotFound},
      {"GET", "/admin/assets/", 404, kNotFound},
      {"POST", "/admin/assets/app-Bx3kQ9zT.js", 405, kOnlyReads},
      {"POST", "/admin/assets/none.js", 405, kOnlyReads},
      {"PUT", "/admin/assets", 405, kOnlyReads},
      // 5. The console.
      {"GET", "/admin", 200, kPage},
      {"HEAD", "/admin", 200, kPage},
      {"GET", "/admin/", 200, kPage},
      {"GET", "/admin/sqs/queues", 200, kPage},
      {"GET", "/admin/index.html", 200, kPage},
      {"GET", "/admin/apiary", 200, kPage},
      {"GET", "/admin/assetsx", 200, kPage},
      {"GET", "http://node:8080/admin/buckets", 200, kPage},
      {"POST", "/admin", 405, kOnlyReads},
      {"OPTIONS", "/admin/sqs/queues", 405, kOnlyReads},
      // 6. All else.
      {"GET", "/", 404, kNotFound},
      {"GET", "/Admin", 404, kNotFound},
      {"GET", "/adminx", 404, kNotFound},
      {"GET", "/healthz", 404, kNotFound},
      {"POST", "/elsewhere", 404, kNotFound},
      {"OPTIONS", "*", 404, kNotFound},
      // Paths that are none.
      {"GET", "//admin", 404, kNotFound},
      {"GET", "/admin//x", 404, kNotFound},
      {"GET", "/admin//", 404, kNotFound},
      {"GET", "/admin/./x", 404, kNotFound},
      {"GET", "/admin/x/..", 404, kNotFound},
      {"GET", "/admin/.", 404, kNotFound},
      {"GET", "/admin/%2e%2e/x", 404, kNotFound},
      {"GET", "/admin/x%2F%2Fy", 404, kNotFound},
      {"GET", "/admin/%zz", 404, kNotFound},
      {"GET", "/admin/%00", 404, kNotFound},
      {"GET", "/admin/api/v1/../v1/cluster", 404, kNotFound},
      {"GET", "/admin/assets/../index.html", 404, kNotFound},
  };
  for (const Row& row : rows) {
    const api::HttpResponse response = ask(row.method, row.target);
    EXPECT_EQ(response.status, row.status) << row.method << ' ' << row.target;
    EXPECT_EQ(response.body, row.body) << row.method << ' ' << row.target;
    if (response.status == 405) {
      EXPECT_EQ(response.headers.get("Allow"), "GET, HEAD") << row.target;
    }
    if (response.status >= 400) {
      EXPECT_EQ(response.headers.get("Content-Type"), "application/json; charset=utf-8");
      EXPECT_EQ(response.headers.get("X-Content-Type-Options"), "nosniff");
      EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
    }
  }
}

// Every way to write one character of a path that some reader may take for the character itself.
std::vector<std::string> spellings(char c) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  const auto octet = static_cast<unsigned char>(c);
  const std::string hex = {kDigits[octet / 16], kDigits[octet % 16]};
  std::vector<std::string> all = {std::string(1, c), "%" + hex, "%25" + hex};
  if (c >= 'a' && c <= 'z') all.push_back(std::string(1, static_cast<char>(c - 'a' + 'A')));
  if (c == '/') all.insert(all.end(), {"//", "/./", "/x/../", "\\", "/%2e/", ";a=b/"});
  return all;
}

TEST_F(AdminRouterTest, NothingThatResemblesAProbeIs200ButTheProbesThemselves) {
  std::size_t tried = 0;
  for (const std::string probe : {"/admin/healthz", "/admin/healthz/leader"}) {
    // From the second slash on: what is not below /admin is 404 anyway.
    for (std::size_t i = std::string("/admin").size(); i < probe.size(); ++i) {
      for (const std::string& spelling : spellings(probe[i])) {
        const std::string path = probe.substr(0, i) + spelling + probe.substr(i + 1);
        if (path == probe) continue;
        for (const char* suffix : {"", "/", "?query"}) {
          EXPECT_EQ(ask("GET", path + suffix).status, 404) << path << suffix;
          EXPECT_EQ(ask("HEAD", "http://node" + path + suffix).status, 404) << path << suffix;
          ++tried;
        }
      }
    }
    for (const char* suffix :
         {"/", "//", "/.", "/..", "/../leader", "/x", "%2f", "%20", ";a", "%00", "/leader/",
          "/leader/x", "/%6ceader", "/LEADER", "/ready/", "%3Fx"}) {
      EXPECT_EQ(ask("GET", probe + suffix).status, 404) << probe << suffix;
      ++tried;
    }
  }
  EXPECT_GT(tried, 200u);
  EXPECT_EQ(leadership.rounds, 0);
}

TEST_F(AdminRouterTest, AFollowersLeaderProbeIs503ThroughTheRouterToo) {
  leadership.leads = false;
  const api::HttpResponse response = ask("GET", "/admin/healthz/leader");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "not leader\n");
  EXPECT_EQ(ask("GET", "/admin/healthz").status, 200);
}

TEST_F(AdminRouterTest, WithoutAConsoleItsPathsAre404AfterTheMethodWasJudged) {
  for (const char* path :
       {"/admin", "/admin/", "/admin/sqs", "/admin/assets", "/admin/assets/a.js"}) {
    EXPECT_EQ(ask("GET", path, false).status, 404) << path;
    EXPECT_EQ(ask("HEAD", path, false).status, 404) << path;
    EXPECT_EQ(ask("POST", path, false).status, 405) << path;
  }
  EXPECT_EQ(ask("GET", "/admin/healthz/leader", false).status, 200);
  EXPECT_EQ(ask("GET", "/admin/api/v1/cluster", false).status, 200);
}

TEST_F(AdminRouterTest, TheConsolesPageIsNeverStoredAndItsFilesAreConditional) {
  const api::HttpResponse page = ask("GET", "/admin/buckets");
  EXPECT_EQ(page.headers.get("Content-Type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.headers.get("Cache-Control"), "no-store");
  const api::HttpResponse script = ask("GET", "/admin/assets/app-Bx3kQ9zT.js");
  EXPECT_EQ(script.headers.get("Cache-Control"), "public, max-age=31536000, immutable");
  EXPECT_EQ(script.headers.get("ETag"), console.find("assets/app-Bx3kQ9zT.js")->etag);
}

TEST_F(AdminRouterTest, TheClustersStatusIsWhatTheNodeSees) {
  for (const char* target : {"/admin/api/v1/cluster", "/admin/api/v1/clu%73ter?pretty"}) {
    const api::HttpResponse response = ask("GET", target);
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.get("Content-Type"), "application/json; charset=utf-8");
    EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
    EXPECT_EQ(response.body,
              R"({"node_id":"n2","cluster_id":"prod","version":"0.1",)"
              R"("timestamp":"1994-11-06T08:49:37.123Z","groups":[)"
              R"({"group_id":"g0","leader_id":"n2","term":7,"commit_index":41,"applied_index":40,)"
              R"("last_log_index":42,"snapshot_index":30,"state_digest":"fedcba9876543210",)"
              R"("configuration_index":17,"is_joint":true,"members":[)"
              R"({"id":"n1","role":"leaving","match_index":39,"address":"a:7000",)"
              R"("incarnation":"0000000000000001"},)"
              R"({"id":"n2","role":"voter","match_index":42,"address":"b:7000",)"
              R"("incarnation":"0000000000000abc"}],"is_leader":true,"is_transferring":false},)"
              R"({"group_id":"g1","leader_id":null,"term":3,"commit_index":0,"applied_index":0,)"
              R"("last_log_index":0,"snapshot_index":0,"state_digest":"0000000000000000",)"
              R"("configuration_index":0,"is_joint":false,"members":[],"is_leader":false,)"
              R"("is_transferring":false}]})");
    boost::json::parse(response.body);  // Throws, and fails the test, if it is no JSON.
  }
  EXPECT_EQ(ask("HEAD", "/admin/api/v1/cluster").status, 200);
}

TEST_F(AdminRouterTest, BodiesAreSmallAndRefusalsAreJson) {
  const AdminRouter router(probes, cluster, operators, clock, &console);
  api::HttpRequest head;
  head.set_target("/admin/healthz/leader");
  EXPECT_EQ(router.body_limit(head), 1024u);
  head.set_target("/admin/api/v1/cluster");
  EXPECT_EQ(router.body_limit(head), 64u * 1024);
  const api::HttpResponse refusal = router.refusal(head, 413, "too large");
  EXPECT_EQ(refusal.status, 413);
  EXPECT_EQ(refusal.body, R"({"error":"payload_too_large","message":"too large"})");
  EXPECT_EQ(router.refusal(head, 400, "").body, R"({"error":"bad_request"})");
}

}  // namespace
}  // namespace keelson::admin
