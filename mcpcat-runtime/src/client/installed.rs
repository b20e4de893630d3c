//! The process's clients: the installed default, which takes events raised outside any session, and one
//! client for each project and endpoint that `track` and plain session strings share.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

use super::{Client, ClientBuilder, ConfigError};

static INSTALLED: RwLock<Option<Client>> = RwLock::new(None);

fn shared() -> &'static Mutex<HashMap<(String, String), Client>> {
    static SHARED: OnceLock<Mutex<HashMap<(String, String), Client>>> = OnceLock::new();
    SHARED.get_or_init(Mutex::default)
}

impl Client {
    /// Makes this client the process's default: events raised outside any session go to it, and plain
    /// session strings of its project use it. Returns the client that was the default before.
    pub fn install(&self) -> Option<Client> {
        INSTALLED.write().unwrap_or_else(PoisonError::into_inner).replace(self.clone())
    }

    /// The process's default client.
    #[must_use]
    pub fn installed() -> Option<Client> {
        INSTALLED.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn install_if_none(&self) {
        INSTALLED.write().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| self.clone());
    }
}

/// The client of a project: the installed one if it is of that project, else the one that the process shares
/// for this project and the environment's endpoint. The first becomes the default.
pub(crate) fn for_project(project: &str) -> Result<Client, ConfigError> {
    let client = for_project_quietly(project)?;
    client.core().announce();
    Ok(client)
}

/// The same, which says nothing yet of where events go: more settings follow.
pub(crate) fn for_project_quietly(project: &str) -> Result<Client, ConfigError> {
    if let Some(client) = Client::installed().filter(|client| client.project() == project) {
        return Ok(client);
    }
    let config = ClientBuilder::new(project.to_owned()).check(&super::environment)?;
    let key = (config.project.to_string(), config.base.text());
    let mut shared = shared().lock().unwrap_or_else(PoisonError::into_inner);
    let client = match shared.get(&key) {
        Some(client) => client.clone(),
        None => {
            let client = Client::start(config)?;
            shared.insert(key, client.clone());
            client
        }
    };
    drop(shared);
    client.install_if_none();
    Ok(client)
}
