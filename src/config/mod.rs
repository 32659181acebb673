//! stub
use std::collections::BTreeMap;use std::path::*;
use crate::core::device::DeviceName; use crate::core::id::VaultId; use crate::error::Result;
#[allow(missing_docs)] pub struct Paths{} 
#[allow(missing_docs)] impl Paths { pub fn state_dir(&self)->&Path{todo()} pub fn mirror(&self)->PathBuf{todo()} pub fn embedded_remote(&self)->PathBuf{todo()} pub fn identity_file(&self)->PathBuf{todo()} pub fn index_file(&self)->PathBuf{todo()} pub fn config_file(&self)->PathBuf{todo()} }
fn todo<T>()->T{panic!()}
#[allow(missing_docs)] pub struct Config{}
#[allow(missing_docs)] impl Config { pub fn remote(&self)->Option<&str>{todo()} pub fn vault(&self)->Option<VaultId>{todo()} pub fn device(&self)->Option<&DeviceName>{todo()} pub fn claude_path(&self)->Option<&Path>{todo()} pub fn claude_include(&self)->&[String]{todo()} pub fn claude_exclude(&self)->&[String]{todo()} pub fn claude_send_keys(&self)->&[String]{todo()} pub fn claude_projects(&self)->&BTreeMap<String,String>{todo()} pub fn max_delete(&self)->u8{todo()} pub fn max_retries(&self)->u32{todo()} }
#[allow(missing_docs)] pub fn set(_t:&str,_k:&str,_v:&str)->Result<String>{todo()}
