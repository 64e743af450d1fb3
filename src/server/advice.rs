//! What should an operator think about, given who the users are?

use crate::gateway::Gateway;
use crate::policy::unmet;

/// Writes it into the application log. A store that does not answer is told of elsewhere.
pub(super) async fn give(gateway: &Gateway) {
    let Ok(users) = gateway.directory.users().await else {
        return;
    };
    if users.is_empty() {
        tracing::warn!("there is no user yet: add one with `vestibule user add NAME`");
        return;
    }
    let routes = gateway.routes.iter().map(|(_, route)| route);
    for unmet in unmet(routes, &users) {
        tracing::warn!("{unmet}");
    }
}
