// apps/top/view/request_table.h -- requests and tenants as rows of cells, in the order asked for.
//
// Threads  pure functions.
#pragma once

#include <string>
#include <vector>

#include "apps/top/view/live_state.h"
#include "apps/top/view/table.h"
#include "apps/top/view/view_state.h"

namespace quire {

const std::vector<Column>& RequestColumns();
std::vector<std::string> RequestCells(const TopRequest& request);

// Those that pass the filter, sorted by the chosen column; equal ones by number. Upper and lower
// case are the same to the filter, in ASCII.
std::vector<TopRequest> ShownRequests(const std::vector<TopRequest>& requests,
                                      const ViewState& view);

const std::vector<Column>& TenantColumns();
std::vector<std::string> TenantCells(const TopTenant& tenant, const std::vector<TopRequest>& all);

}  // namespace quire
